import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { STORAGE } from '#platform';
import type { Storage } from '#storage';

/** Lets a spec hold projections up, in the thread that runs them, before they apply events. */
export class HeldProjections {
  private readonly folder = mkdtempSync(join(tmpdir(), 'tenantry-held-'));

  hold(names: readonly string[]): void {
    mkdirSync(this.folder, { recursive: true });
    for (const name of names) writeFileSync(join(this.folder, name), '');
  }

  release(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** To be called before the service follows the log. */
  prepare(app: NestFastifyApplication): void {
    const storage = app.get<Storage>(STORAGE);
    const ask: Storage['ask'] = storage.ask.bind(storage);
    storage.ask = (kind, asked, bytes) => {
      if (!('modules' in asked)) return ask(kind, asked, bytes);
      return ask(kind, { ...asked, modules: asked.modules.map((url) => this.heldUrl(url)) }, bytes);
    };
  }

  private heldUrl(of: string): string {
    const url = new URL('held-projections.worker.mjs', import.meta.url);
    url.search = new URLSearchParams({ of, folder: this.folder }).toString();
    return url.href;
  }
}
