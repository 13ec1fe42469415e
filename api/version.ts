/** Echoed as `Keystone-Version` and stated in OpenAPI. `/v1` changes by addition only. */
export const API_VERSION = '0.1.0';
