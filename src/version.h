/* SPDX-License-Identifier: Apache-2.0 */
/* What `visord --version`, `visorctl --version` and the status say. */
#ifndef VISOR_VERSION_H
#define VISOR_VERSION_H

#define VISOR_VERSION "0.1.0"

#endif
