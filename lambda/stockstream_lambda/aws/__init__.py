"""The consumer's own path to AWS: signed requests over kept connections, without a service model.

Of the CPU that botocore spends on a written item, four fifths go into walking the service model. The consumer makes
eight kinds of request, so it builds their bodies itself; tests hold the signature against botocore's signer.
"""
