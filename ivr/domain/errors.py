"""Every error we raise ourselves, by what the one who catches it does next.

IvrError
├── BadInput            the person who wrote it must change it; the message says where and how
├── Unusable            something outside cannot be used now; the message says what and where
│   └── ProviderUnreachable   nothing was sent: may be sent again
├── OutcomeUnknown      it may have arrived: inquire, never resend
└── Illegal             a bug or a forged input asked for a transition that does not exist; nothing changed
    └── AlreadyInPayment      another payment of the same invoice is under way or approved: do not send this one
"""


class IvrError(Exception):
    """The root of our own errors. Messages never hold a secret."""


class BadInput(IvrError):
    """What a person wrote or keyed cannot be accepted."""


class Unusable(IvrError):
    """Asterisk, a provider, the database or a tool cannot be used at the moment."""


class ProviderUnreachable(Unusable):
    """The request never left this machine, so nothing happened and it may be tried again."""


class OutcomeUnknown(IvrError):
    """The request may have arrived. Only an inquiry or a person can say what became of it."""


class Illegal(IvrError):
    """A transition that the state table does not have. Nothing was changed."""


class AlreadyInPayment(Illegal):
    """Another payment of the same invoice is under way or approved. This one was not sent."""
