import { readFileSync, renameSync, writeFileSync } from 'node:fs';

/** `.keystone/stack.json`: what a script needs to use the running stack. Holds secrets, so its mode is 0600. */
export interface StackFile {
  /** Without `/v1`. */
  readonly api_url: string;
  /** Ends in `/oauth/token`. */
  readonly token_url: string;
  readonly audience: string;
  /** The owner of the schema, not the application's role. */
  readonly database_url: string;
  readonly temporal: {
    readonly address: string;
    readonly namespace: string;
    readonly task_queue: string;
    readonly ui_url: string;
  };
  readonly chains: readonly StackChain[];
  readonly platforms: readonly StackPlatform[];
  readonly operator: { readonly client_id: string; readonly client_secret: string };
  readonly webhook_sink_url: string;
  readonly processes: readonly { readonly name: string; readonly pid: number }[];
}

export interface StackChain {
  readonly chain_id: number;
  readonly rpc_url: string;
  readonly contracts: { readonly coordinator: string; readonly escrow: string; readonly registry: string };
  readonly tokens: { readonly KBOND: string; readonly TUSDC: string };
}

export interface StackPlatform {
  readonly slug: string;
  readonly client_id: string;
  readonly client_secret: string;
  readonly wallet: { readonly address: string; readonly private_key: string };
}

/** Replaces a file in one step, so that a script never reads half of it. */
export function writePrivateJson(file: string, content: unknown): void {
  const unfinished = `${file}.new`;
  writeFileSync(unfinished, `${JSON.stringify(content, null, 2)}\n`, { mode: 0o600 });
  renameSync(unfinished, file);
}

/** @throws Error that says how to get the file. */
export function readStackFile(file: string): StackFile {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as StackFile;
  } catch (error) {
    throw new Error(`${file} cannot be read: is the stack running (npm start)?`, { cause: error });
  }
}
