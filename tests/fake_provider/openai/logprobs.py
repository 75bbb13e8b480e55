"""How probable each token was, as Chat Completions and Responses say it."""

LOGPROB = -0.25


def of_piece(piece: str, top: int) -> dict[str, object]:
    alternatives = [_of(piece, LOGPROB), *(_of(f"other{number}", -3.0 - number) for number in range(1, top))]
    return {**_of(piece, LOGPROB), "top_logprobs": alternatives[:top]}


def _of(token: str, logprob: float) -> dict[str, object]:
    return {"token": token, "bytes": list(token.encode()), "logprob": logprob}
