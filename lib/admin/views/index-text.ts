/**
 * Renders the list of endpoints.
 */
import { ENDPOINT_PARAMETERS, type EndpointName } from '../params.ts';
import { rendered, type Base, type Rendered } from './rendered.ts';

const PURPOSES: Readonly<Record<EndpointName, string>> = {
  index: 'this list; the dashboard, in a browser',
  enable: 'hold new requests; with wait, answer once nothing is in flight',
  disable: 'release held requests, in order, and let new ones pass',
  stop: 'answer 503 to held and new requests',
  status: 'the state of all apps, or of one',
  drain: 'answer once nothing is in flight',
  report: 'what the last or current pause did',
  traffic: 'what to expect of a pause, from the last minutes',
  history: 'the last ten minutes: samples, reports of pauses, transitions',
  transitions: 'what happened: paused by whom, drained, resumed, backend down',
  events: 'status as server-sent events',
  metrics: 'Prometheus metrics',
  reload: 'start new processes of `antract serve` with the configuration and code on disk',
};

/** @param canReload whether the endpoint `reload` works here. */
export function renderIndex(base: Base, canReload: boolean): Rendered {
  const usable = Object.entries(PURPOSES).filter(([name]) => canReload || name !== 'reload');
  const endpoints = usable.map(([name, purpose]) => ({
    path: name === 'index' ? '/' : `/${name}`,
    parameters: ENDPOINT_PARAMETERS[name as EndpointName],
    purpose,
  }));
  const width = Math.max(...endpoints.map(({ path }) => path.length));
  const lines = endpoints.map(({ path, parameters, purpose }) => {
    const takes = parameters.length > 0 ? ` (${parameters.join(', ')})` : '';
    return `${base}${path.padEnd(width)}  ${purpose}${takes}`;
  });
  return rendered(200, ['antract: GET or POST', ...lines], { endpoints });
}
