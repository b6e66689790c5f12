import { addAbortListener } from 'node:events';
import { z } from 'zod';
import { RegistryError } from './errors.ts';
import type { RegistryErrorKind } from './errors.ts';
import type { HttpRequest, HttpResponse } from './transport.ts';
