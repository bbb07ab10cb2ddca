/** Every public export, and every member of an exported interface or class, has a comment. */
import { expect, it } from '@jest/globals';
import { fileURLToPath } from 'node:url';
import ts from 'typescript5';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const ENTRY_POINTS = ['index', 'create-gateway', 'redis', 'store-contract'].map(
  (name) => `${ROOT}lib/${name}.ts`,
);

const program = ts.createProgram(ENTRY_POINTS, {
  module: ts.ModuleKind.NodeNext,
  target: ts.ScriptTarget.ES2023,
  strict: true,
  allowImportingTsExtensions: true,
  noEmit: true,
  skipLibCheck: true,
  types: ['node'],
});
const checker = program.getTypeChecker();

function exportsOf(path: string): ts.Symbol[] {
  const file = program.getSourceFile(path) as ts.SourceFile;
  const module = checker.getSymbolAtLocation(file) as ts.Symbol;
  return checker
    .getExportsOfModule(module)
    .map((symbol) =>
      symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol,
    );
}

/** Without private members, and without those that another package declares and documents. */
function membersOf(symbol: ts.Symbol): ts.Symbol[] {
  if (!(symbol.flags & (ts.SymbolFlags.Interface | ts.SymbolFlags.Class))) return [];
  return checker.getDeclaredTypeOfSymbol(symbol).getProperties().filter(isPublic);
}

function isPublic({ declarations: [declaration] = [] }: ts.Symbol): boolean {
  if (!declaration?.getSourceFile().fileName.startsWith(`${ROOT}lib/`)) return false;
  const name = ts.getNameOfDeclaration(declaration);
  return name === undefined || !ts.isPrivateIdentifier(name);
}

const hasComment = (symbol: ts.Symbol): boolean =>
  ts.displayPartsToString(symbol.getDocumentationComment(checker)).trim() !== '';

it('every public export and its members have a comment that editors show', () => {
  const symbols = new Set(ENTRY_POINTS.flatMap(exportsOf));
  expect(symbols.size).toBeGreaterThan(80);
  const missing = [...symbols].flatMap((symbol) => [
    ...(hasComment(symbol) ? [] : [symbol.name]),
    ...membersOf(symbol)
      .filter((member) => !hasComment(member))
      .map(({ name }) => `${symbol.name}.${name}`),
  ]);
  expect(missing).toEqual([]);
});
