"""What HTTP and a request allow (RFC 9110, RFC 9111)."""
