/** `example/opentelemetry.mjs` with the SDK of OpenTelemetry: a span for each hold. */
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { context, propagation, SpanStatusCode, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { W3CTraceContextPropagator } from '@opentelemetry/core';
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-base';
import { traceHolds } from '../../example/opentelemetry.mjs';
import { createAntract } from '../../lib/index.ts';
import { closeGateways, openGateway } from '../support/gateway.ts';
import { closeAll, listen, request } from '../support/http.ts';
import { nextEvent } from '../support/next-event.ts';
import { silentLogger } from '../support/silent-logger.ts';

const exporter = new InMemorySpanExporter();
const provider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] });
let stop: () => void;

beforeEach(() => {
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  propagation.setGlobalPropagator(new W3CTraceContextPropagator());
  trace.setGlobalTracerProvider(provider);
  stop = traceHolds();
});

afterEach(async () => {
  stop();
  exporter.reset();
  await closeGateways();
  await closeAll();
  for (const api of [context, propagation, trace]) api.disable();
});

const holds = () => exporter.getFinishedSpans().filter(({ name }) => name === 'antract.hold');

describe('the span of a hold', () => {
  it('is a child of the span of its server, and has the outcome', async () => {
    const antract = createAntract({ maxQueue: 2, logger: silentLogger });
    const pause = antract.pause();
    const server = trace.getTracer('server').startSpan('server');
    const { url } = await listen((req, res) =>
      context.with(trace.setSpan(context.active(), server), () =>
        pause(req, res, () => void res.end('ok')),
      ),
    );
    await antract.enable();
    const held = nextEvent(antract, 'held');
    const answer = request(`${url}/a?secret`, { method: 'PUT' });
    await held;
    const client = new AbortController();
    const heldToo = nextEvent(antract, 'held');
    request(`${url}/b`, { signal: client.signal }).catch(() => undefined);
    await heldToo;
    // Rejected on arrival, because the queue is full: no span.
    expect((await request(`${url}/c`)).status).toBe(503);
    const abandoned = nextEvent(antract, 'abandoned');
    client.abort();
    await abandoned;
    await antract.disable();
    await answer;
    const spans = holds();
    expect(spans.map(({ attributes }) => attributes)).toEqual([
      {
        'antract.app': 'default',
        'antract.outcome': 'abandoned',
        'http.request.method': 'GET',
        'url.path': '/b',
      },
      {
        'antract.app': 'default',
        'antract.outcome': 'released',
        'http.request.method': 'PUT',
        'url.path': '/a',
      },
    ]);
    for (const { parentSpanContext, status } of spans) {
      expect(parentSpanContext?.spanId).toBe(server.spanContext().spanId);
      expect(status.code).toBe(SpanStatusCode.UNSET);
    }
  });

  it('is a child of the span that the client of a gateway sends, and fails with the hold', async () => {
    const gateway = await openGateway({ target: 'http://127.0.0.1:9' });
    await gateway.antract.enable();
    const held = nextEvent(gateway.antract, 'held');
    const [traceId, spanId] = ['0af7651916cd43dd8448eb211c80319c', 'b7ad6b7169203331'];
    const traceparent = `00-${traceId}-${spanId}-01`;
    const answer = request(gateway.url, { headers: { traceparent } });
    await held;
    await gateway.antract.stop();
    expect((await answer).status).toBe(503);
    const [span] = holds();
    expect(span?.parentSpanContext).toMatchObject({ traceId, spanId });
    expect(span?.status).toEqual({ code: SpanStatusCode.ERROR, message: 'stopped' });
    expect(span?.attributes).toMatchObject({
      'antract.outcome': 'rejected',
      'antract.code': 'ERR_ANTRACT_STOPPED',
    });
  });
});
