/** Reads what a client received, strictly: whatever could be read in two ways is an error. */

export interface ReceivedResponse {
  /** Of the final response; `undefined` if the connection was closed without one. */
  readonly status: number | undefined;
  /** Whether the body is as long as its framing says. One that ends with the connection always is. */
  readonly isComplete: boolean;
}

const STATUS_LINE = /^HTTP\/1\.1 (\d{3}) [\t -~\x80-\xff]*$/;
const HEADER_LINE = /^[\w!#$%&'*+.^`|~-]+: ?[\t -~\x80-\xff]*$/;

/**
 * @param hasBody false for the response to a HEAD.
 * @throws Error where the bytes are not informational responses and then at most one final response.
 */
export function readResponse(bytes: string, hasBody: boolean): ReceivedResponse {
  let rest = bytes;
  for (;;) {
    if (rest === '') return { status: undefined, isComplete: false };
    const end = rest.indexOf('\r\n\r\n');
    if (end < 0) throw new Error(`no end of the headers in ${JSON.stringify(rest)}`);
    const [line = '', ...headers] = rest.slice(0, end).split('\r\n');
    rest = rest.slice(end + 4);
    const status = Number(STATUS_LINE.exec(line)?.[1]);
    if (!(status >= 101)) throw new Error(`the status line ${JSON.stringify(line)}`);
    const wrong = headers.find((header) => !HEADER_LINE.test(header));
    if (wrong !== undefined) throw new Error(`the header line ${JSON.stringify(wrong)}`);
    if (status === 101 || status >= 200) {
      return { status, isComplete: status === 101 || readBody(status, headers, rest, hasBody) };
    }
  }
}

function readBody(status: number, headers: string[], body: string, hasBody: boolean): boolean {
  const valuesOf = (name: string): string[] =>
    headers
      .map((header) => header.split(/: ?/, 2) as [string, string])
      .filter(([other]) => other.toLowerCase() === name)
      .map(([, value]) => value.toLowerCase());
  const lengths = valuesOf('content-length');
  const codings = valuesOf('transfer-encoding');
  if (lengths.length + codings.length > 1) throw new Error(`framed twice: ${headers.join(', ')}`);
  if (codings.length > 0 && codings[0] !== 'chunked') throw new Error(`coding ${codings[0]}`);
  if (!hasBody || status === 204 || status === 304) {
    if (body !== '') throw new Error(`${JSON.stringify(body)} where there can't be a body`);
    return true;
  }
  if (codings.length > 0) return readChunks(body);
  if (lengths.length === 0) return true;
  if (body.length > Number(lengths[0])) throw new Error(`more than ${lengths[0]} bytes: ${body}`);
  return body.length === Number(lengths[0]);
}

/** Whether the last chunk has arrived. */
function readChunks(body: string): boolean {
  let rest = body;
  while (rest !== '') {
    const [line = '', size] = /^([\da-f]+)\r\n/i.exec(rest) ?? [];
    if (size === undefined) throw new Error(`no chunk: ${JSON.stringify(rest)}`);
    rest = rest.slice(line.length);
    const length = parseInt(size, 16);
    if (length === 0) {
      if (/^([\w-]+: [^\r\n]*\r\n)*\r\n$/.test(rest)) return true;
      throw new Error(`after the last chunk: ${JSON.stringify(rest)}`);
    }
    if (rest.length < length + 2) return false;
    if (rest.slice(length, length + 2) !== '\r\n') throw new Error('no end of a chunk');
    rest = rest.slice(length + 2);
  }
  return false;
}
