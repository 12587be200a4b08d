import { MessageBus } from './index';

/** The connection to the master; undefined without one. */
export const bus: MessageBus | undefined;
