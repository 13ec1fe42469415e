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
  /** Key by which platform-a attests itself: the attester set `platform`, and half of `two-of-two`. */
  readonly platform_oracle: { readonly address: string; readonly private_key: string };
  readonly operator: { readonly client_id: string; readonly client_secret: string };
  readonly webhook_sink_url: string;
  /** The message relay and fault injector (dev/relay/README.md); null when the contracts are not ours to connect. */
  readonly relay: { readonly url: string; readonly token: string } | null;
  readonly processes: readonly { readonly name: string; readonly pid: number }[];
}

/** The coordinator's chain is the first of the list. */
export interface StackChain {
  readonly chain_id: number;
  /** For people, for example `Sepolia (local)`. */
  readonly name: string;
  readonly kind: 'coordinator' | 'remote';
  readonly rpc_url: string;
  readonly contracts: {
    readonly escrow: string;
    /** On the coordinator's chain. */
    readonly coordinator?: string;
    readonly registry?: string;
    /** On every other chain. */
    readonly gateway?: string;
  };
  readonly tokens: StackTokens;
  /** Null when the contracts are not ours to connect (KEYSTONE_CHAINS). */
  readonly layerzero: {
    readonly endpoint_id: number;
    readonly endpoint: string;
    readonly message_library: string;
  } | null;
}

/** Anybody may mint them. */
export interface StackTokens {
  /** ERC-20, 18 decimals. */
  readonly KBOND: string;
  /** ERC-20, 6 decimals. */
  readonly TUSDC: string;
  /** ERC-721. */
  readonly KDEED: string;
  /** ERC-1400. */
  readonly KFUND: string;
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

/** The address of a node for people to read: one that is not on this machine may hold a key. */
export function printableUrl(chain: Pick<StackChain, 'chain_id' | 'rpc_url'>): string {
  const { hostname } = new URL(chain.rpc_url);
  return ['127.0.0.1', 'localhost', '[::1]'].includes(hostname) ? chain.rpc_url : `$RPC_URL_${chain.chain_id}`;
}

/** @throws Error that says how to get the file. */
export function readStackFile(file: string): StackFile {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as StackFile;
  } catch (error) {
    throw new Error(`${file} cannot be read: is the stack running (npm start)?`, { cause: error });
  }
}
