/* Inside of expressions: text to tokens. */
#ifndef BELLTOWER_TENANTS_APP_EXPR_LEX_H
#define BELLTOWER_TENANTS_APP_EXPR_LEX_H

#include "tenants/app/expr.h"

enum token_kind {
    TOKEN_END,
    TOKEN_NAME,
    TOKEN_LITERAL, /* value: int, float or string */
    /* words */
    TOKEN_OR,
    TOKEN_AND,
    TOKEN_NOT,
    TOKEN_IN,
    TOKEN_IS,
    TOKEN_NULL,
    TOKEN_TRUE,
    TOKEN_FALSE,
    /* signs */
    TOKEN_EQ,
    TOKEN_NE,
    TOKEN_LT,
    TOKEN_LE,
    TOKEN_GT,
    TOKEN_GE,
    TOKEN_PLUS,
    TOKEN_MINUS,
    TOKEN_STAR,
    TOKEN_SLASH,
    TOKEN_PERCENT,
    TOKEN_OPEN,
    TOKEN_CLOSE,
    TOKEN_LIST_OPEN,
    TOKEN_LIST_CLOSE,
    TOKEN_COMMA
};

struct token {
    enum token_kind kind;
    size_t at, len;
    struct value value;
};

struct lexer {
    const char *text;
    size_t len, at;
    struct token token; /* the present one */
    struct arena *arena;
    struct expr_mistake *mistake;
};

/* To the next token; false with *mistake filled. */
bool lexer_next(struct lexer *l);
/* Whether the next token of the kind follows the present one at once (used to tell calls and negative numbers). */
bool lexer_peek_char(const struct lexer *l, char c);
/* Reads the number behind the present minus into one literal. */
bool lexer_negative(struct lexer *l);
bool expr_is_keyword(const char *text, size_t len);

/* Fill *mistake; always false. */
bool lexer_mistake(struct lexer *l, size_t at, size_t len, const char *expected, const char *suggestion,
                   const char *fmt, ...) PRINTF(6, 7);

#endif
