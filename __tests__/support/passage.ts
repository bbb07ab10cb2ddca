/** A request as a gate sees it, with nothing behind it. */
import type { GatedRequest } from '../../lib/gate/gated-request.ts';
import type { RequestLine } from '../../lib/common/request.ts';

export function passageOf(request: RequestLine): GatedRequest {
  return { request, isLongLived: () => false, end: () => undefined };
}
