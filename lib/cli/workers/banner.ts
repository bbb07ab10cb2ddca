/** What `serve` logs when it listens. */
import { formatCount } from '../../common/format.js';
import type { LogRecord } from '../../common/logger.ts';
import { readVersion } from '../../common/version.ts';
import type { GatewayAddress } from '../../gateway/server/gateway.ts';
import type { Backend } from './backends.ts';

export interface Serving extends GatewayAddress {
  readonly backends: readonly Backend[];
  readonly workers: number;
}

export function banner({ url, adminUrl, backends, workers }: Serving): LogRecord {
  const version = readVersion();
  const dashboard = adminUrl?.startsWith('http') ? `${adminUrl}/` : null;
  const many = workers === 1 ? '' : ` (${formatCount(workers, 'worker')})`;
  const lines = [
    `antract ${version} listens on ${url}, admin endpoints: ${adminUrl ?? 'none'}${many}`,
    ...backends.map(({ app, target }) => `App '${app}': target ${target}`),
    ...(dashboard === null ? [] : [`Dashboard: ${dashboard}`]),
  ];
  const targets = Object.fromEntries(backends.map(({ app, target }) => [app, target]));
  const fields = { version, url, adminUrl, dashboard, targets, workers };
  return { level: 'info', message: lines.join('\n'), fields };
}
