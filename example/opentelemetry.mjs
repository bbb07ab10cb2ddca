/**
 * Makes an OpenTelemetry span for the time that antract holds a request. Needs `@opentelemetry/api`, and an SDK that
 * exports the spans.
 */
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { context, propagation, SpanStatusCode, trace } from '@opentelemetry/api';

/** Returns a function that ends the tracing. */
export function traceHolds(tracer = trace.getTracer('antract')) {
  const spans = new WeakMap();

  const onHeld = ({ app, method, path, request }) => {
    const attributes = {
      'antract.app': app,
      'http.request.method': method,
      'url.path': path,
    };
    spans.set(request, tracer.startSpan('antract.hold', { attributes }, parentOf(request)));
  };
  const onEnd = (outcome) => (message) => {
    // A request that was rejected on arrival was not held.
    const span = spans.get(message.request);
    span?.setAttribute('antract.outcome', outcome);
    if (outcome === 'rejected') {
      span?.setAttribute('antract.code', message.code);
      // The browser comes back by itself from the waiting page.
      const isFailed = message.reason !== 'waiting-page';
      if (isFailed) span?.setStatus({ code: SpanStatusCode.ERROR, message: message.reason });
    }
    span?.end();
    spans.delete(message.request);
  };

  const listeners = {
    'antract:held': onHeld,
    'antract:released': onEnd('released'),
    'antract:abandoned': onEnd('abandoned'),
    'antract:rejected': onEnd('rejected'),
  };
  for (const [channel, listener] of Object.entries(listeners)) subscribe(channel, listener);
  return () => {
    for (const [channel, listener] of Object.entries(listeners)) unsubscribe(channel, listener);
  };
}

/** The span of the server, if it is traced. Otherwise, as in the gateway, the span that the client has sent. */
function parentOf(request) {
  const active = context.active();
  return trace.getSpan(active) ? active : propagation.extract(active, request.headers);
}
