/** A request as a gate sees it, with nothing behind it. */
import type { Passage } from '../../lib/passage.ts';
import type { RequestLine } from '../../lib/request.ts';

export function passageOf(request: RequestLine): Passage {
  return { request, isLongLived: () => false, end: () => undefined };
}
