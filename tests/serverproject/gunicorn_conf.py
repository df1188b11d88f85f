"""How gunicorn serves: each request in a thread. It ignores the names that it does not know."""

worker_class = "gthread"
threads = 8
# A socket in the user's home, new in gunicorn 25, is not a test's to make.
control_socket_disable = True
