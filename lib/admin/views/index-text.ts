/**
 * What there is under the admin path, for those who ask for nothing in particular. Pure.
 */
import { ENDPOINT_PARAMETERS, type EndpointName } from '../params.ts';
import { rendered, type Base, type Rendered } from './rendered.ts';

const PURPOSES: Readonly<Record<EndpointName, string>> = {
  index: 'this list; the dashboard, in a browser',
  enable: 'hold new requests; with wait, answer once nothing is in flight',
  disable: 'let those held go, in order, and everybody after them',
  stop: 'answer requests 503, those held too',
  status: 'what goes on: all apps, or one',
  drain: 'answer once nothing is in flight',
  report: 'what came of the last pause, or does so far',
  traffic: 'what to expect of a pause, from the last minutes',
  events: 'status as server-sent events',
  metrics: 'Prometheus metrics',
};

export function renderIndex(base: Base): Rendered {
  const endpoints = Object.entries(PURPOSES).map(([name, purpose]) => ({
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
