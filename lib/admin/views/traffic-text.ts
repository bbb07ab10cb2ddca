/**
 * Renders the traffic of the last minutes.
 */
import { formatMs } from '../../common/format.js';
import type { TrafficReport, TrafficStatus } from '../../gate/traffic-report.ts';
import { rendered, type Rendered } from './rendered.ts';

export function renderTraffic(report: TrafficReport): Rendered {
  const lines = trafficLines(report);
  return rendered(200, lines, { ...report, lines });
}

function trafficLines(report: TrafficReport): string[] {
  const { app, windowMs, requestsPerSecond, inFlight, slowestMs, expectedHeldIn30s } = report;
  return [
    `App ${app} in the last ${formatMs(windowMs)}: ${requestsPerSecond} requests a second.`,
    ...minuteLines(report.lastMinute),
    `In flight: ${inFlight}`,
    // Without a request there is no duration.
    ...(slowestMs === 0 ? [] : [`Slowest: ${formatMs(slowestMs)}; a drain may take as long.`]),
    `A pause of 30 s would hold about ${expectedHeldIn30s}.`,
  ];
}

function minuteLines({ requestsPerSecond, p50Ms, p95Ms, errorShare }: TrafficStatus): string[] {
  if (p50Ms === null || p95Ms === null || errorShare === null) return [];
  const times = `half within ${formatMs(p50Ms)}, 95 % within ${formatMs(p95Ms)}`;
  const errors = Number((errorShare * 100).toPrecision(2));
  return [`In the last minute: ${requestsPerSecond} a second, ${times}, ${errors} % errors.`];
}
