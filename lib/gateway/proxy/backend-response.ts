/** Makes the head of a backend's response safe to pass on. */
import {
  STATUS_CODES,
  type InformationEvent,
  type IncomingMessage,
  type ServerResponse,
} from 'node:http';
import { withoutHopHeaders } from './proxy-headers.ts';

/** `writeHead()` throws on these characters, and Node's parser accepts them from a backend. */
const BAD_REASON = /[^\t\x20-\x7e\x80-\xff]/;

/** Repairs the response where possible. Returns false for a response that must be replaced by 502. */
export function prepareResponse(proxyRes: IncomingMessage): boolean {
  // Node's parser accepts statuses from 0 to 999; `writeHead()` throws on those below 100. It handles
  // informational responses itself, except for 101, which the gateway has not asked for.
  if ((proxyRes.statusCode ?? 0) < 200) return false;
  // Without a reason phrase, Node writes the standard one.
  if (BAD_REASON.test(proxyRes.statusMessage ?? '')) proxyRes.statusMessage = '';
  return prepareFraming(proxyRes);
}

/**
 * Node's parser has removed `chunked` and frames the body again. It leaves every other coding in the
 * body, and `chunked` too where it isn't the last one (RFC 9112, 6.1).
 */
function prepareFraming({ headers }: IncomingMessage): boolean {
  const { 'transfer-encoding': value } = headers;
  if (value === undefined || value === 'chunked') return true;
  const codings = value
    .toLowerCase()
    .split(',')
    .map((coding) => coding.trim())
    .filter((coding) => coding !== '');
  const isChunked = codings.at(-1) === 'chunked';
  // `identity` was a name for no coding at all (RFC 2616, 3.6), which some backends still send.
  const isReadable = codings.every(
    (coding) => coding === 'identity' || (coding === 'chunked' && isChunked),
  );
  if (!isReadable) return false;
  delete headers['content-length'];
  if (isChunked) headers['transfer-encoding'] = 'chunked';
  else delete headers['transfer-encoding'];
  return true;
}

/** Whether a response has a body, which may be empty (RFC 9112, 6.3). */
export function responseHasBody(
  { method }: IncomingMessage,
  { statusCode }: IncomingMessage,
): boolean {
  return method !== 'HEAD' && statusCode !== 204 && statusCode !== 304;
}

/**
 * Passes on an informational response, such as `103 Early Hints`. Not `100 Continue`: Node has already
 * told the client to continue.
 */
export function passInformation(
  { statusCode, headers }: InformationEvent,
  req: IncomingMessage,
  res: ServerResponse,
): void {
  // HTTP/1.0 has none (RFC 9110, 15.2). A pipelined response has no socket until its turn comes.
  if (statusCode === 100 || req.httpVersion === '1.0' || res.headersSent || !res.socket) return;
  // Informational responses to a client that doesn't read must not fill the memory.
  if (!res.socket.writable || res.socket.writableNeedDrain) return;
  let head = `HTTP/1.1 ${statusCode} ${STATUS_CODES[statusCode] ?? ''}\r\n`;
  for (const [name, value] of Object.entries(withoutHopHeaders(headers))) {
    if (FRAMING.has(name)) continue;
    for (const line of [value].flat()) head += `${name}: ${line}\r\n`;
  }
  res.socket.write(`${head}\r\n`, 'latin1');
}

const FRAMING = new Set(['content-length', 'transfer-encoding']);
