/** antract in a Nest app on Express, which is the default of Nest. */
import 'reflect-metadata';
import { Controller, Get, Headers, Module, type OnModuleDestroy } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { createAntract } from 'antract';

// What you pause for: held requests wait until it accepts connections, such as DATABASE=127.0.0.1:5432.
const database = process.env.DATABASE;
const antract = createAntract({ probe: database ? { connect: database } : undefined });

@Controller()
class HelloController {
  @Get()
  hello(@Headers('x-antract-held-ms') heldMs = '0'): string {
    return `Hello! antract held this request for ${heldMs} ms.\n`;
  }
}

@Module({ controllers: [HelloController] })
class AppModule implements OnModuleDestroy {
  /** Before Nest waits for the requests in flight: held requests get a 503 with Retry-After. */
  onModuleDestroy(): Promise<void> {
    return antract.close();
  }
}

const app = await NestFactory.create(AppModule, { logger: ['warn', 'error'] });
app.use(antract.pause()); // ahead of the body parser, which listen() adds
app.use('/_antract', antract.admin());
app.enableShutdownHooks();
await app.listen(Number(process.env.PORT ?? 8082), '127.0.0.1');
console.log(`listening on ${await app.getUrl()}`);
