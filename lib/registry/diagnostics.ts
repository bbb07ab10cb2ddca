/**
 * Tells tracing tools what becomes of held requests, through `node:diagnostics_channel`. Knows no
 * tool, and costs nothing where none listens.
 *
 * The channels belong to the process, as is their nature; nothing else here does.
 */
import { channel, type Channel } from 'node:diagnostics_channel';
import type { AntractEvents } from '../gate/events.ts';
import type { RequestLine } from '../common/request.ts';

/** The events that have a channel `antract:<event>` of `node:diagnostics_channel`. */
export type TracedEvent = 'held' | 'released' | 'abandoned' | 'rejected';

/** What subscribers get: the event's own fields, and the request, to find its span by. */
export type DiagnosticsMessage<K extends TracedEvent = TracedEvent> = AntractEvents[K][0] & {
  readonly request: RequestLine;
};

const channels: Readonly<Record<TracedEvent, Channel>> = {
  held: channel('antract:held'),
  released: channel('antract:released'),
  abandoned: channel('antract:abandoned'),
  rejected: channel('antract:rejected'),
};

/** @param request the one that the event is about, where it is about one. */
export function publish(
  event: keyof AntractEvents,
  payload: object,
  request: RequestLine | undefined,
): void {
  if (request === undefined || !isTraced(event)) return;
  const subscribers = channels[event];
  if (subscribers.hasSubscribers) subscribers.publish({ ...payload, request });
}

function isTraced(event: keyof AntractEvents): event is TracedEvent {
  return event in channels;
}
