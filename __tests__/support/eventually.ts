/** Waits for what no event tells of; fails with what was waited for when it does not come. */
export async function eventually(what: string, isSo: () => boolean, ms = 5000): Promise<void> {
  const deadline = performance.now() + ms;
  while (!isSo()) {
    if (performance.now() > deadline) throw new Error(`Waited ${ms} ms in vain for: ${what}.`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
