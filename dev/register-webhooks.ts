import { createApiClient } from './api-client.ts';
import type { Launch } from './launch.ts';
import type { StackFile } from './stack-file.ts';
import type { Identities } from './stack-services.ts';

const DESCRIPTION = 'Webhook sink of the development stack';
/** As many endpoints as an environment may have. */
const LIST_LIMIT = 50;

interface Endpoint {
  readonly id: string;
  readonly url: string;
  readonly description: string | null;
}

/** Registers the sink with each platform, once, with that platform's own token; follows the sink when its port moved. */
export function registerWebhookEndpoints(launch: Launch, stack: StackFile, identities: Identities): Promise<void> {
  const advice = { logFile: launch.home.log('api'), hint: 'npm start -- --fresh, if an endpoint was changed by hand' };
  return launch.steps.run('webhook endpoints', advice, async (step) => {
    for (const platform of identities.platforms) {
      const client = createApiClient(stack, platform);
      const url = `${stack.webhook_sink_url}/hooks/${platform.slug}`;
      const known = await client.get<{ items: Endpoint[] }>(`/v1/platforms/me/webhooks?limit=${LIST_LIMIT}`);
      const ours = known.items.find((endpoint) => endpoint.description === DESCRIPTION);
      if (ours === undefined) {
        const endpoint = { url, description: DESCRIPTION, events: ['*'], secret: platform.webhook_secret };
        await client.post('/v1/platforms/me/webhooks', endpoint);
      } else if (ours.url !== url) {
        await client.patch(`/v1/platforms/me/webhooks/${ours.id}`, { url });
      }
    }
    step.result(`${identities.platforms.length} platforms`);
  });
}
