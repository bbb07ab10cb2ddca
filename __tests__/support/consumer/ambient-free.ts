// Compiled with `types: []`, as TypeScript does it by default from 6 on: nothing of Node is there but
// for what antract's own declarations ask for.
import { createAntract, type PauseReport } from 'antract';

const antract = createAntract();
antract.on('paused', ({ app, endsInMs }) => app.toUpperCase() + endsInMs.toFixed());
antract.registry.once('drained', async ({ afterMs }) => afterMs.toFixed());
export const report: PauseReport | undefined = antract.registry.report();
// @ts-expect-error The payload is known.
antract.on('paused', ({ nosuch }) => nosuch);
// @ts-expect-error There is no such event.
antract.on('pasued', () => {});
