/** A request as a gate sees it, with nothing behind it. */
import type { Passage } from '../../lib/gate/passage.ts';
import type { RequestLine } from '../../lib/common/request.ts';

export function passageOf(request: RequestLine): Passage {
  return { request, isLongLived: () => false, end: () => undefined };
}
