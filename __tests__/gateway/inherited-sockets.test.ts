/** Sockets that another process has opened, and that a gateway must not use. */
import { expect, it } from '@jest/globals';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, closeSync, mkdtempSync, openSync, rmSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const GATEWAY = fileURLToPath(new URL('../../dist/create-gateway.js', import.meta.url));

/** A process of its own inherits the sockets, because one process can't open a descriptor twice. */
const SCRIPT = `
  import { createGateway } from ${JSON.stringify(GATEWAY)};
  const config = { target: 'http://127.0.0.1:9' };
  const attempts = [
    [config, { admin: 3 }],
    [{ ...config, adminToken: 'secret' }, { admin: 3 }],
    [config, { admin: 4 }],
    [config, { public: 5 }],
    [config, { admin: 6 }],
  ];
  for (const [config, sockets] of attempts) {
    try {
      createGateway(config, { sockets });
      console.log('accepted');
    } catch (error) {
      console.log(error.code, error.message);
    }
  }`;

const descriptorOf = (of: object): number => (of as { _handle: { fd: number } })._handle.fd;

it('an inherited socket must listen, and not every user may reach the admin endpoints through it', async () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'antract-sockets-'));
  const servers = [0o666, 0o660].map((mode) => {
    const server = net.createServer();
    const file = path.join(folder, `${mode.toString(8)}.sock`);
    server.listen(file);
    chmodSync(file, mode);
    return server;
  });
  const [forAll, forGroup] = servers as [net.Server, net.Server];
  const tcp = net.createServer();
  tcp.listen(0, '127.0.0.1');
  await once(tcp, 'listening');
  const client = net.connect((tcp.address() as net.AddressInfo).port, '127.0.0.1');
  const file = openSync(path.join(folder, 'file'), 'w');
  try {
    await once(client, 'connect');
    const inherited = [forAll, forGroup, client].map(descriptorOf);
    const said = execFileSync(process.execPath, ['--input-type=module', '--eval', SCRIPT], {
      stdio: ['ignore', 'pipe', 'inherit', ...inherited, file],
      encoding: 'utf8',
    });
    expect(said.trimEnd().split('\n')).toEqual([
      expect.stringMatching(
        /^ERR_ANTRACT_ADMIN_EXPOSED Every user of this machine can connect to .*666\.sock, .* SocketMode=0600/,
      ),
      'accepted',
      'accepted',
      expect.stringMatching(/^ERR_ANTRACT_OPTION Expected `sockets\.public` .*, got a connection/),
      expect.stringMatching(
        /^ERR_ANTRACT_OPTION Expected `sockets\.admin` to be a socket that listens/,
      ),
    ]);
  } finally {
    client.destroy();
    for (const server of [...servers, tcp]) server.close();
    closeSync(file);
    rmSync(folder, { recursive: true, force: true });
  }
});
