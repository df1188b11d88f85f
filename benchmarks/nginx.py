"""nginx with sendfile, as a contestant: it serves the files of a folder, and writes into it."""

import os
import shutil

CONFIGURATION = """
daemon off;
master_process off;
pid "FOLDER/nginx.pid";
error_log stderr error;
events { worker_connections 64; }
http {
    access_log off;
    sendfile on;
    keepalive_requests 1000000;
    client_body_temp_path "FOLDER/client_body";
    proxy_temp_path "FOLDER/proxy";
    fastcgi_temp_path "FOLDER/fastcgi";
    uwsgi_temp_path "FOLDER/uwsgi";
    scgi_temp_path "FOLDER/scgi";
    server {
        listen 127.0.0.1:PORT;
        root "FOLDER";
    }
}
"""


def program():
    """Returns the path of nginx, or None."""
    # Debian has it where only root looks.
    return shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")


def command(port, folder):
    """Returns the command that serves the folder."""
    configuration = folder / "nginx.conf"
    text = CONFIGURATION.replace("FOLDER", str(folder)).replace("PORT", str(port))
    configuration.write_text(text)
    return [program(), "-e", "stderr", "-p", str(folder), "-c", str(configuration)]
