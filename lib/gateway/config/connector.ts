/** Makes connections to a backend. */
import { Agent as HttpsAgent } from 'node:https';
import { connect, type NetConnectOpts, type Socket } from 'node:net';
import { tlsServerName, type Target } from './target.ts';

/** TCP keep-alive, from this long without data. As Node's agents do. */
const KEEP_ALIVE_MS = 1000;

export interface ConnectorOptions {
  readonly target: Target;
  /** Whether the certificate of an https backend must be valid. */
  readonly rejectUnauthorized: boolean;
}

export function addressOf({ hostname, port, socketPath }: Target): NetConnectOpts {
  return socketPath === undefined ? { host: hostname, port } : { path: socketPath };
}

/** Returns a function that makes a connection. */
export function connector({ target, rejectUnauthorized }: ConnectorOptions): () => Socket {
  const options = {
    ...addressOf(target),
    noDelay: true,
    keepAlive: true,
    keepAliveInitialDelay: KEEP_ALIVE_MS,
  };
  if (target.protocol === 'http:') return () => connect(options);
  const tlsOptions = {
    ...options,
    servername: tlsServerName(target.hostname),
    rejectUnauthorized,
    ALPNProtocols: ['http/1.1'],
    // The name under which the agent keeps the TLS session.
    _agentKey: target.hostname,
  };
  const agent = new HttpsAgent({ keepAlive: true });
  return () => agent.createConnection(tlsOptions) as Socket;
}
