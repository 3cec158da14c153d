// SPDX-License-Identifier: Apache-2.0
// clblast.c: CLBlast as another's product of two matrices; only for callers who ask for it by name. Its result is right
// but its bits are its own, and it compiles its kernels at the first call. Ours: src/similarity/similarity.c.
#include "cl.h"

#ifdef CHI_CLBLAST
#include <clblast_c.h>

bool chi__clblast_is_here(void) { return true; }

chi_status chi__clblast_product(chi_device *dev, chi_matrix x, chi_matrix y, float scale, chi_matrix out)
{
    if (dev->lost)
        return chi__fail(dev, CHI_ERR_LOST, "%s was lost after an error: close it and open it again", dev->info.name);
    const CLBlastStatusCode code =
        CLBlastSgemm(CLBlastLayoutRowMajor, CLBlastTransposeNo, CLBlastTransposeYes, x.rows, y.rows, x.cols, scale, x.buffer->memory,
                     x.offset, chi__stride(x), y.buffer->memory, y.offset, chi__stride(y), 0.0f, out.buffer->memory, out.offset,
                     chi__stride(out), &dev->queue, NULL);
    if (code != CLBlastSuccess)
        return chi__fail(dev, CHI_ERR_INTERNAL, "%s: CLBlast's product of %zu × %zu × %zu failed with its status %d", dev->info.name,
                         x.rows, y.rows, x.cols, (int)code);
    return CHI_OK;
}

#else

bool chi__clblast_is_here(void) { return false; }

chi_status chi__clblast_product(chi_device *dev, chi_matrix x, chi_matrix y, float scale, chi_matrix out)
{
    return chi__fail(dev, CHI_ERR_UNSUPPORTED, "a product of %zu × %zu × %zu (scale %g, to %zu columns): this build has no CLBlast",
                     x.rows, y.rows, x.cols, (double)scale, out.cols);
}

#endif
