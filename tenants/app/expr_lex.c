#include "tenants/app/expr_lex.h"
#include "base/scan.h"
#include "base/json.h"
#include "base/utf8.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool lexer_mistake(struct lexer *l, size_t at, size_t len, const char *expected, const char *suggestion,
                   const char *fmt, ...)
{
    char text[400];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    *l->mistake = (struct expr_mistake){.at = at,
                                        .len = len ? len : 1,
                                        .message = arena_strndup(l->arena, text, strlen(text)),
                                        .expected = expected,
                                        .suggestion = suggestion};
    return false;
}

static bool is_name_start(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static char char_at(const struct lexer *l, size_t at)
{
    return at < l->len ? l->text[at] : 0;
}

bool lexer_peek_char(const struct lexer *l, char c)
{
    size_t at = l->at;
    while (is_space(char_at(l, at)))
        at++;
    return char_at(l, at) == c;
}

static bool done(struct lexer *l, enum token_kind kind, size_t start)
{
    l->token.kind = kind;
    l->token.at = start;
    l->token.len = l->at - start;
    return true;
}

/* ---- words ---- */

static const struct {
    const char *word;
    enum token_kind kind;
} keywords[] = {{"or", TOKEN_OR}, {"and", TOKEN_AND},   {"not", TOKEN_NOT},   {"in", TOKEN_IN},
                {"is", TOKEN_IS}, {"null", TOKEN_NULL}, {"true", TOKEN_TRUE}, {"false", TOKEN_FALSE}};

static enum token_kind word_kind(const char *text, size_t len)
{
    for (size_t i = 0; i < sizeof keywords / sizeof *keywords; i++)
        if (strlen(keywords[i].word) == len && !memcmp(keywords[i].word, text, len))
            return keywords[i].kind;
    return TOKEN_NAME;
}

bool expr_is_keyword(const char *text, size_t len)
{
    return word_kind(text, len) != TOKEN_NAME;
}

static bool lex_word(struct lexer *l)
{
    size_t start = l->at;
    while (is_name_start(char_at(l, l->at)) || scan_is_digit(char_at(l, l->at)))
        l->at++;
    return done(l, word_kind(l->text + start, l->at - start), start);
}

/* ---- numbers ---- */

static void skip_digits(struct lexer *l)
{
    while (scan_is_digit(char_at(l, l->at)))
        l->at++;
}

/* The rest of a float behind its integral digits; *is_float tells whether there is one. */
static bool lex_fraction(struct lexer *l, size_t start, bool *is_float)
{
    if (char_at(l, l->at) == '.') {
        *is_float = true;
        l->at++;
        if (!scan_is_digit(char_at(l, l->at)))
            return lexer_mistake(l, start, l->at - start, "digits after the point, as in 1.0", NULL, "bad number");
        skip_digits(l);
    }
    if (char_at(l, l->at) == 'e' || char_at(l, l->at) == 'E') {
        *is_float = true;
        l->at++;
        if (char_at(l, l->at) == '+' || char_at(l, l->at) == '-')
            l->at++;
        if (!scan_is_digit(char_at(l, l->at)))
            return lexer_mistake(l, start, l->at - start, "digits after the e, as in 1e3", NULL, "bad number");
        skip_digits(l);
    }
    return true;
}

/* A number whose text (with a minus in front of it, perhaps) begins at start; l->at is at its first digit. */
static bool lex_number(struct lexer *l, size_t start)
{
    size_t digits = l->at;
    bool is_float = false;
    skip_digits(l);
    if (l->text[digits] == '0' && l->at > digits + 1)
        return lexer_mistake(l, start, l->at - start, "a decimal number", NULL, "a number cannot begin with 0");
    if (!lex_fraction(l, start, &is_float))
        return false;
    if (is_name_start(char_at(l, l->at)))
        return lexer_mistake(l, start, l->at + 1 - start, "a number or a name", NULL, "bad number");
    struct value *v = &l->token.value;
    *v = (struct value){.type = is_float ? VALUE_FLOAT : VALUE_INT};
    bool fits =
        is_float ? json_float(l->text + start, l->at - start, &v->f) : json_int(l->text + start, l->at - start, &v->i);
    if (!fits)
        return lexer_mistake(l, start, l->at - start, is_float ? "a finite number" : "an integer of 64 bits", NULL,
                             "number out of range");
    return done(l, TOKEN_LITERAL, start);
}

bool lexer_negative(struct lexer *l)
{
    size_t minus = l->token.at;
    return lex_number(l, minus);
}

/* ---- strings ---- */

static bool lex_unicode(struct lexer *l, char *out, size_t *n)
{
    char hex[5] = {0};
    for (int i = 0; i < 4; i++) {
        hex[i] = char_at(l, l->at + 2 + (size_t)i);
        if (!strchr("0123456789abcdefABCDEF", hex[i]) || !hex[i])
            return lexer_mistake(l, l->at, 2, "four hexadecimal digits, as in \\u00e5", NULL, "bad escape");
    }
    uint32_t code = (uint32_t)strtoul(hex, NULL, 16);
    if (code >= 0xd800 && code < 0xe000)
        return lexer_mistake(l, l->at, 6, "the character itself", NULL, "half a surrogate pair is no character");
    *n += utf8_encode(code, out + *n);
    l->at += 6;
    return true;
}

static bool lex_escape(struct lexer *l, char *out, size_t *n)
{
    static const char from[] = "nrt\\'\"/", to[] = "\n\r\t\\'\"/";
    char c = char_at(l, l->at + 1);
    if (c == 'u')
        return lex_unicode(l, out, n);
    const char *found = c ? strchr(from, c) : NULL;
    if (!found)
        return lexer_mistake(l, l->at, 2, "one of \\\\ \\' \\\" \\n \\r \\t \\uXXXX", NULL, "bad escape");
    out[(*n)++] = to[found - from];
    l->at += 2;
    return true;
}

static bool lex_string(struct lexer *l)
{
    size_t start = l->at, n = 0;
    char quote = l->text[l->at++], *out = arena_alloc(l->arena, l->len - start); /* escapes only shrink */
    while (l->at < l->len && l->text[l->at] != quote) {
        if (l->text[l->at] != '\\')
            out[n++] = l->text[l->at++];
        else if (!lex_escape(l, out, &n))
            return false;
    }
    if (l->at == l->len)
        return lexer_mistake(l, start, l->len - start, "a closing quote", NULL, "unterminated string");
    l->at++;
    l->token.value = (struct value){.type = VALUE_STRING, .len = (uint32_t)n, .s = out};
    return done(l, TOKEN_LITERAL, start);
}

/* ---- signs ---- */

static const struct sign {
    const char *text;
    enum token_kind kind; /* TOKEN_END: no sign of ours, but of other languages */
    const char *suggestion;
} signs[] = {
    {"===", TOKEN_END, "=="},      {"==", TOKEN_EQ, NULL},   {"=>", TOKEN_END, ">="},  {"=<", TOKEN_END, "<="},
    {"!=", TOKEN_NE, NULL},        {"<>", TOKEN_END, "!="},  {"<=", TOKEN_LE, NULL},   {">=", TOKEN_GE, NULL},
    {"&&", TOKEN_END, "and"},      {"||", TOKEN_END, "or"},  {"&", TOKEN_END, "and"},  {"|", TOKEN_END, "or"},
    {"!", TOKEN_END, "not"},       {"=", TOKEN_END, "=="},   {"<", TOKEN_LT, NULL},    {">", TOKEN_GT, NULL},
    {"+", TOKEN_PLUS, NULL},       {"-", TOKEN_MINUS, NULL}, {"*", TOKEN_STAR, NULL},  {"/", TOKEN_SLASH, NULL},
    {"%", TOKEN_PERCENT, NULL},    {"(", TOKEN_OPEN, NULL},  {")", TOKEN_CLOSE, NULL}, {"[", TOKEN_LIST_OPEN, NULL},
    {"]", TOKEN_LIST_CLOSE, NULL}, {",", TOKEN_COMMA, NULL},
};

static bool lex_sign(struct lexer *l)
{
    size_t start = l->at;
    for (size_t i = 0; i < sizeof signs / sizeof *signs; i++) {
        size_t len = strlen(signs[i].text);
        if (l->len - start < len || memcmp(l->text + start, signs[i].text, len) != 0)
            continue;
        if (signs[i].suggestion)
            return lexer_mistake(l, start, len, NULL, signs[i].suggestion, "`%s` is no operator here", signs[i].text);
        l->at += len;
        return done(l, signs[i].kind, start);
    }
    size_t len = utf8_sequence((const unsigned char *)l->text + start, l->len - start);
    unsigned char c = (unsigned char)l->text[start];
    if (c < 0x20 || c == 0x7f)
        return lexer_mistake(l, start, 1, NULL, NULL, "control character 0x%02x", c);
    return lexer_mistake(l, start, len, NULL, NULL, "unexpected `%.*s`", (int)len, l->text + start);
}

bool lexer_next(struct lexer *l)
{
    while (is_space(char_at(l, l->at)))
        l->at++;
    if (l->at == l->len)
        return done(l, TOKEN_END, l->len);
    char c = l->text[l->at];
    if (is_name_start(c))
        return lex_word(l);
    if (scan_is_digit(c))
        return lex_number(l, l->at);
    if (c == '\'' || c == '"')
        return lex_string(l);
    return lex_sign(l);
}
