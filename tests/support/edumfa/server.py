"""A real eduMFA in the current folder.

    python server.py                      makes its keys, tables and administrator
    python -m gunicorn server:application   serves it

What every request and its answer were on the wire stands in tap.jsonl, a JSON object a line; nothing is altered.
"""
import io
import json
import os
import threading
import warnings

warnings.simplefilter("ignore")  # its dependencies' deprecations
from edumfa.app import create_app  # noqa: E402
from sqlalchemy import event  # noqa: E402
from sqlalchemy.engine import Engine  # noqa: E402

FOLDER = os.getcwd()
eduMFA = create_app(config_name="production", config_file=os.path.join(FOLDER, "edumfa.cfg"), silent=True)
turn = threading.Lock()


@event.listens_for(Engine, "connect")
def do_not_wait_for_the_disk(connection, _record):
    connection.execute("PRAGMA synchronous = OFF")


def application(environ, start_response):
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    environ["wsgi.input"] = io.BytesIO(body)
    # First of all: a request that is never answered was asked, too.
    headers = {name[5:].replace("_", "-").lower(): value for name, value in environ.items() if name.startswith("HTTP_")}
    write(
        method=environ["REQUEST_METHOD"],
        target=environ.get("RAW_URI") or environ["PATH_INFO"],
        headers=headers | {"content-type": environ.get("CONTENT_TYPE", "")},
        body=body.decode("utf-8", "replace"),
        connection=environ["REMOTE_PORT"],
    )
    return eduMFA(environ, start_response)


def write(**line):
    with turn, open(os.path.join(FOLDER, "tap.jsonl"), "a") as tap:
        tap.write(json.dumps(line) + "\n")


def prepare():
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa
    from edumfa.lib.auth import create_db_admin
    from edumfa.models import db

    with open("enckey", "wb") as file:
        file.write(os.urandom(96))
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    plain = serialization.NoEncryption()
    with open("private.pem", "wb") as file:
        file.write(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, plain))
    with open("public.pem", "wb") as file:
        file.write(
            key.public_key().public_bytes(
                serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
            )
        )
    with eduMFA.app_context():
        db.create_all()
        create_db_admin("admin", "admin@example.com", "admin's password")
        db.session.commit()


if __name__ == "__main__":
    prepare()
