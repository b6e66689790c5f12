/** The API group of every kind here. */
export const GROUP = 'slipstream.dev';

/** The only served and stored version. */
export const VERSION = 'v1alpha1';

export const API_VERSION = `${GROUP}/${VERSION}`;
