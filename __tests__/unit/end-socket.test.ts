import { Duplex } from 'node:stream';
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { endSocket, limitEnd } from '../../lib/http/end-socket.ts';

beforeEach(() => {
  jest.useFakeTimers({ doNotFake: ['nextTick', 'queueMicrotask', 'setImmediate'] });
});

afterEach(() => {
  jest.useRealTimers();
});

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** A connection with something on its way, whose other side takes a chunk at each `take()`. */
function connection(...backlog: string[]): { socket: Duplex; take(): Promise<void> } {
  const taken: (() => void)[] = [];
  const socket = new Duplex({
    read: () => undefined,
    write: (_chunk, _encoding, callback) => void taken.push(callback),
  });
  for (const chunk of backlog) socket.write(chunk);
  const take = async (): Promise<void> => {
    taken.shift()?.();
    await settled();
  };
  return { socket, take };
}

describe('the end of a connection', () => {
  it('comes when the written data was read', async () => {
    const { socket, take } = connection('hello');
    endSocket(socket);
    await settled();
    expect(socket.destroyed).toBe(false);
    await take();
    expect(socket.destroyed).toBe(true);
    expect(jest.getTimerCount()).toBe(0);
  });

  it('comes after a second at the latest when nothing is read', () => {
    const { socket } = connection('hello', 'there');
    endSocket(socket);
    jest.advanceTimersByTime(999);
    expect(socket.destroyed).toBe(false);
    jest.advanceTimersByTime(1);
    expect(socket.destroyed).toBe(true);
  });

  it('waits as long as something is taken every second', async () => {
    const { socket, take } = connection('hello', 'there', 'you');
    endSocket(socket);
    for (let count = 0; count < 2; count++) {
      await take();
      jest.advanceTimersByTime(1000);
      expect(socket.destroyed).toBe(false);
    }
    jest.advanceTimersByTime(1000);
    expect(socket.destroyed).toBe(true);
  });

  it('can be postponed by code that still has something to send', () => {
    const { socket } = connection();
    const limit = limitEnd(socket);
    jest.advanceTimersByTime(900);
    limit.restart();
    jest.advanceTimersByTime(900);
    expect(socket.destroyed).toBe(false);
    jest.advanceTimersByTime(100);
    expect(socket.destroyed).toBe(true);
  });
});
