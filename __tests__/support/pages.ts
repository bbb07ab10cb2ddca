/** The pages of the documentation and their code blocks. */
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('../../', import.meta.url));

const isPage = (name: string): boolean => name.endsWith('.md');

/** Every page of the repository, those for contributors included. */
export const PAGES: readonly string[] = [
  ...readdirSync(ROOT).filter(isPage),
  'bench/README.md',
  ...['docs', 'example'].flatMap((folder) =>
    readdirSync(ROOT + folder, { recursive: true, encoding: 'utf8' })
      .filter((name) => isPage(name) && !name.includes('node_modules'))
      .map((name) => `${folder}/${name}`),
  ),
];

export const readPage = (page: string): string => readFileSync(ROOT + page, 'utf8');

export interface CodeBlock {
  /** Page and line, such as `docs/api.md:12`. */
  readonly where: string;
  readonly language: string;
  readonly code: string;
}

export function codeBlocks(...languages: string[]): CodeBlock[] {
  return PAGES.flatMap((page) => {
    const text = readPage(page);
    return [...text.matchAll(/^```(\w+)\n(.*?)^```$/gms)].map(
      ({ index, 1: language = '', 2: code = '' }) => ({
        where: `${page}:${text.slice(0, index).split('\n').length + 1}`,
        language,
        code,
      }),
    );
  }).filter(({ language }) => languages.includes(language));
}
