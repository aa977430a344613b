#include "base/base64.h"

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void base64_encode(const void *p, size_t len, struct buf *out)
{
    const unsigned char *s = p;
    for (size_t i = 0; i < len; i += 3) {
        uint32_t left = (uint32_t)(len - i), group = (uint32_t)s[i] << 16;
        group |= left > 1 ? (uint32_t)s[i + 1] << 8 : 0;
        group |= left > 2 ? s[i + 2] : 0;
        char text[4] = {digits[group >> 18], digits[group >> 12 & 63], left > 1 ? digits[group >> 6 & 63] : '=',
                        left > 2 ? digits[group & 63] : '='};
        buf_add(out, text, 4);
    }
}

static int digit_value(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* Four digits, the last `padding` of them '='. */
static bool decode_group(const char *s, int padding, struct buf *out)
{
    uint32_t group = 0;
    for (int i = 0; i < 4; i++) {
        int v = i < 4 - padding ? digit_value(s[i]) : 0;
        if (v < 0)
            return false;
        group = group << 6 | (uint32_t)v;
    }
    if ((padding == 1 && (group & 0xFF)) || (padding == 2 && (group & 0xFFFF)))
        return false; /* bits that no byte has */
    char bytes[3] = {(char)(group >> 16), (char)(group >> 8), (char)group};
    buf_add(out, bytes, (size_t)(3 - padding));
    return true;
}

bool base64_decode(const char *text, size_t len, struct buf *out)
{
    size_t before = out->len;
    bool good = len % 4 == 0;
    for (size_t i = 0; i < len && good; i += 4) {
        bool last = i + 4 == len;
        int padding = last ? (text[i + 3] == '=') + (text[i + 3] == '=' && text[i + 2] == '=') : 0;
        good = decode_group(text + i, padding, out);
    }
    if (!good)
        out->len = before;
    return good;
}
