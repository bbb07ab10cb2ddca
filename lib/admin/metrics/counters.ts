/** The counters and histograms: what was counted since this process started. */
import type { Histogram } from '../../common/histogram.ts';
import { STATUS_CLASSES, type AppCounts } from '../../gate/app-counts.ts';
import type { RejectReason } from '../../gate/phase.ts';
import { rejectionResponse } from '../../http/rejection-response.ts';
import type { MeasuredCore } from './gauges.ts';
import { histogramSamples, type MetricDefinition, type Sample } from './metric.ts';

export function counters(core: MeasuredCore): MetricDefinition[] {
  const samples = (read: (counts: AppCounts, app: string) => Sample[]): Sample[] =>
    [...core.totals.byLabel(core.appNames)].flatMap(([app, counts]) => read(counts, app));
  const counter = (
    name: string,
    help: string,
    read: (counts: AppCounts, app: string) => Sample[],
  ): MetricDefinition => ({
    name,
    help,
    type: 'counter',
    aggregator: 'sum',
    read: () => samples(read),
  });
  const histogram = (
    name: string,
    help: string,
    read: (counts: AppCounts) => Histogram,
  ): MetricDefinition => ({
    name,
    help,
    type: 'histogram',
    aggregator: 'sum',
    read: () => samples((counts, app) => histogramSamples(name, { app }, read(counts))),
  });
  return [
    counter(
      'antract_requests_total',
      'Requests that have ended, by outcome and class of the status.',
      requestSamples,
    ),
    counter('antract_pauses_total', 'Pauses and unplanned holds, by reason.', ({ pauses }, app) =>
      Object.entries(pauses).map(([reason, value]) => ({ labels: { app, reason }, value })),
    ),
    counter('antract_stops_total', 'Stops.', ({ stops }, app) => [
      { labels: { app }, value: stops },
    ]),
    histogram(
      'antract_hold_duration_seconds',
      'How long requests were held, with any outcome.',
      ({ holds }) => holds,
    ),
    histogram(
      'antract_drain_duration_seconds',
      'How long drains took, from the pause or stop until nothing was in flight.',
      ({ drains }) => drains,
    ),
    histogram(
      'antract_backend_duration_seconds',
      'How long the backend took until it began to respond. Only the gateway measures it.',
      ({ backend }) => backend,
    ),
  ];
}

/** Every series from the start, with 0: a series whose first value is 1 has no rate. */
function requestSamples(
  { passed, released, abandoned, rejected }: AppCounts,
  app: string,
): Sample[] {
  const sample = (outcome: string, status: string, value: number): Sample => ({
    labels: { app, outcome, status },
    value,
  });
  const ended = { passed, released };
  const rejections = { '4xx': 0, '5xx': 0 };
  const { 'waiting-page': pages = 0, ...refused } = rejected;
  for (const [reason, count] of Object.entries(refused)) {
    rejections[rejectionClass(reason as RejectReason)] += count;
  }
  return [
    ...Object.entries(ended).flatMap(([outcome, counts]) =>
      STATUS_CLASSES.map((status, i) => sample(outcome, status, counts[i] as number)),
    ),
    sample('abandoned', 'none', abandoned),
    // Not a failure: the browser comes back by itself.
    sample('waiting-page', '5xx', pages),
    ...Object.entries(rejections).map(([status, count]) => sample('rejected', status, count)),
  ];
}

function rejectionClass(reason: RejectReason): '4xx' | '5xx' {
  return rejectionResponse({ reason, retryAfterMs: 0 }).status < 500 ? '4xx' : '5xx';
}
