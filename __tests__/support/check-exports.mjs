// Prints, as JSON, which types the exports of a built package mention without exporting them, each as
// `file: name`. Takes the folder with the declarations and the names of its entry points.
import { join, relative, sep } from 'node:path';
import ts from 'typescript5';

const [folder, ...entries] = process.argv.slice(2);
const program = ts.createProgram(
  entries.map((entry) => join(folder, `${entry}.d.ts`)),
  { module: ts.ModuleKind.NodeNext, strict: true, types: ['node'] },
);
const checker = program.getTypeChecker();

const resolve = (symbol) =>
  symbol && symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol;
const isOurs = ({ fileName }) => fileName.startsWith(folder + sep);

const exported = new Set(
  entries.flatMap((entry) => {
    const file = program.getSourceFile(join(folder, `${entry}.d.ts`));
    return checker.getExportsOfModule(checker.getSymbolAtLocation(file)).map(resolve);
  }),
);

const missing = new Set();
const visit = (node) => {
  const symbol = ts.isIdentifier(node) ? resolve(checker.getSymbolAtLocation(node)) : undefined;
  for (const declaration of symbol?.declarations ?? []) {
    const isTopLevel = declaration.parent && ts.isSourceFile(declaration.parent);
    const file = declaration.getSourceFile();
    if (isTopLevel && isOurs(file) && !exported.has(symbol)) {
      missing.add(`${relative(folder, file.fileName)}: ${symbol.name}`);
    }
  }
  ts.forEachChild(node, visit);
};
for (const symbol of exported) {
  for (const declaration of symbol.declarations ?? []) {
    if (isOurs(declaration.getSourceFile())) visit(declaration);
  }
}
console.log(JSON.stringify([...missing].toSorted((a, b) => a.localeCompare(b))));
