import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { FrameTracker, SERVICE_RESTART_FRAME } from '../../lib/http/upgrade/web-socket-frames.ts';

const HEAD = Buffer.from('HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n');

function frame(length: number): Buffer {
  const payload = Buffer.alloc(length, 0x88);
  if (length < 126) return Buffer.concat([Buffer.from([0x82, length]), payload]);
  const head = Buffer.alloc(length < 65_536 ? 4 : 10);
  head[0] = 0x82;
  head[1] = length < 65_536 ? 126 : 127;
  if (length < 65_536) head.writeUInt16BE(length, 2);
  else head.writeBigUInt64BE(BigInt(length), 2);
  return Buffer.concat([head, payload]);
}

/** Cuts bytes at the given places. */
function cut(bytes: Buffer, places: readonly number[]): Buffer[] {
  const at = [0, ...places.map((place) => place % (bytes.length + 1)), bytes.length].sort(
    (a, b) => a - b,
  );
  return at.slice(1).map((end, i) => bytes.subarray(at[i], end));
}

const lengths = fc.array(fc.constantFrom(0, 1, 125, 126, 300, 65_535, 65_536), { maxLength: 5 });
const places = fc.array(fc.nat(200_000), { maxLength: 12 });

describe('FrameTracker', () => {
  it('knows when a frame has ended, however the bytes are cut', () => {
    fc.assert(
      fc.property(lengths, places, fc.nat(10), (sizes, cuts, missing) => {
        const tracker = new FrameTracker();
        const all = Buffer.concat([HEAD, ...sizes.map(frame)]);
        for (const part of cut(all, cuts)) tracker.takeAll(part);
        expect(tracker.isBetweenFrames).toBe(true);
        for (const part of cut(frame(missing + 1).subarray(0, -1), cuts)) tracker.takeAll(part);
        expect(tracker.isBetweenFrames).toBe(false);
        tracker.takeAll(Buffer.from([0]));
        expect(tracker.isBetweenFrames).toBe(true);
      }),
    );
  });

  it('stops behind the first frame that ends', () => {
    const tracker = new FrameTracker();
    tracker.takeAll(HEAD);
    expect(tracker.take(Buffer.concat([frame(3), frame(3)]))).toBe(5);
  });

  it('never takes another answer than 101 for frames', () => {
    const tracker = new FrameTracker();
    tracker.takeAll(Buffer.from('HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\nno'));
    expect([tracker.isOpen, tracker.isBetweenFrames]).toEqual([false, false]);
  });
});

describe('the close frame', () => {
  it('is 1012 with its reason, unmasked', () => {
    expect(SERVICE_RESTART_FRAME.readUInt16BE(2)).toBe(1012);
    expect(SERVICE_RESTART_FRAME[1]).toBe(SERVICE_RESTART_FRAME.length - 2);
    expect(SERVICE_RESTART_FRAME.subarray(4).toString()).toBe('service restart');
  });
});
