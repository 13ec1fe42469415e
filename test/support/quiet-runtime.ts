import { DefaultLogger, Runtime } from '@temporalio/worker';

let installed = false;

/** Temporal's own log at ERROR: tests make activities fail on purpose. Once per process; the first caller wins. */
export function quietRuntime(): void {
  if (installed) return;
  installed = true;
  Runtime.install({ logger: new DefaultLogger('ERROR') });
}
