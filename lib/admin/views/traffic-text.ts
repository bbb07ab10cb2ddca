/**
 * Renders the traffic of the last minutes.
 */
import { formatMs } from '../../common/format.js';
import type { TrafficReport } from '../../gate/traffic-report.ts';
import { rendered, type Rendered } from './rendered.ts';

export function renderTraffic(report: TrafficReport): Rendered {
  const { app, windowMs, requestsPerSecond, inFlight, slowestMs, expectedHeldIn30s } = report;
  return rendered(
    200,
    [
      `App ${app} in the last ${formatMs(windowMs)}: ${requestsPerSecond} requests a second.`,
      `In flight: ${inFlight}`,
      `Slowest: ${formatMs(slowestMs)}; a drain may take as long.`,
      `A pause of 30 s would hold about ${expectedHeldIn30s}.`,
    ],
    report,
  );
}
