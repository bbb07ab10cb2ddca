/** Finds what the dashboard shows. */
import type { Locator, Page } from 'playwright-core';

export const card = (page: Page, app = 'default'): Locator =>
  page.getByRole('article').filter({ has: page.getByRole('heading', { name: app, exact: true }) });

export const field = (page: Page, name: string): Locator => page.locator(`[data-field="${name}"]`);

export const part = (page: Page, name: string): Locator => page.locator(`[data-part="${name}"]`);

export const button = (page: Page, name: string): Locator =>
  page.getByRole('button', { name, exact: true });

/** Gives a command, and confirms it in the dialog. */
export async function command(page: Page, name: string): Promise<void> {
  await button(page, `${name}…`).click();
  await button(page, name).click();
}

/** Waits for it; fails when it does not come. */
export async function shows(locator: Locator, text: string | RegExp): Promise<void> {
  await locator.filter({ hasText: text }).first().waitFor();
}

export const exactly = (text: string | number): RegExp => new RegExp(`^${text}$`);
