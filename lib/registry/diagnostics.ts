/**
 * Publishes the events of held requests to tracing tools, through `node:diagnostics_channel`. It costs nothing
 * while no tool subscribes. The channels are shared by all instances in the process.
 */
import { channel, type Channel } from 'node:diagnostics_channel';
import type { AntractEvents } from '../gate/events.ts';
import type { RequestLine } from '../common/request.ts';

/** The events that have a diagnostics channel, `antract:` and the name of the event. */
export type TracedEvent = 'held' | 'released' | 'abandoned' | 'rejected';

/** The message to subscribers: the fields of the event, and the request, by which a tool finds its span. */
export type DiagnosticsMessage<K extends TracedEvent = TracedEvent> = AntractEvents[K][0] & {
  readonly request: RequestLine;
};

const channels: Readonly<Record<TracedEvent, Channel>> = {
  held: channel('antract:held'),
  released: channel('antract:released'),
  abandoned: channel('antract:abandoned'),
  rejected: channel('antract:rejected'),
};

/** @param request the request of the event, if there is one. */
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
