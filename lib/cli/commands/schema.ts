/** `antract schema`: prints the JSON Schema of the configuration file. */
import type { Command } from 'commander';

export function addSchema(program: Command): void {
  program
    .command('schema')
    .description('Print the JSON Schema of the file of --config, for editors.')
    .action(async () => {
      const { createConfigSchema } = await import('../config/config-schema.ts');
      console.log(JSON.stringify(createConfigSchema(), null, 2));
    });
}
