"""A client of AIOSv1's Assets Management, written against its documents alone and with nothing but Python's own library.

    python3 aiosv1_client.py <URL of an Assets DB> <URL of a registry>

It makes each request that the documents show, as they show it, and reads each answer as programs of that platform do: by
the status, "success", "data", and "error" or "message". It ends with 1 and a line when one is not what it has to be.
"""

import hashlib
import json
import sys
import urllib.error
import urllib.parse
import urllib.request
import uuid

TIMEOUT_S = 20

ASSET_FIELDS = {
    "asset_uri", "asset_name", "asset_id", "assets_db_id", "asset_version", "asset_metadata", "asset_public_url",
    "asset_file_info", "asset_tags",
}
REGISTRY_FIELDS = {
    "asset_registry_id", "asset_registry_name", "asset_registry_metadata", "asset_registry_tags",
    "asset_registry_public_url",
}


def check(condition, what, seen=None):
    if not condition:
        sys.exit(f"not as documented: {what}: {seen!r}")


def request(method, url, body=None, headers=None):
    """The status, the headers and the bytes of an answer, whatever its status is."""
    asked = urllib.request.Request(url, data=body, headers=headers or {}, method=method)
    try:
        with urllib.request.urlopen(asked, timeout=TIMEOUT_S) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as answer:
        with answer:
            return answer.code, answer.headers, answer.read()


def call(method, url, value=None):
    """A request as the documents' curl makes it: with the content type of JSON, with and without a body."""
    body = None if value is None else json.dumps(value).encode()
    status, headers, answer = request(method, url, body, {"Content-Type": "application/json"})
    check(headers.get_content_type() == "application/json", f"{method} {url} answers JSON", headers)
    return status, json.loads(answer)


def expect(status, method, url, value=None):
    """The body of a success with this status."""
    got, body = call(method, url, value)
    check((got, body.get("success")) == (status, True), f"{method} {url} is {status}", (got, body))
    return body


def refused(status, method, url, value=None):
    """An error with this status. Some routes had its sentence in "error", others in "message"."""
    got, body = call(method, url, value)
    check((got, body.get("success")) == (status, False), f"{method} {url} is {status}", (got, body))
    for field in ("error", "message"):
        check(isinstance(body.get(field), str) and body[field] != "", f"{method} {url} has {field}", body)


def form(fields, files):
    """multipart/form-data as the libraries of Python and curl write it (RFC 7578)."""
    boundary = uuid.uuid4().hex
    parts = []
    for name, value in fields.items():
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n'
        parts.append(head.encode() + value.encode() + b"\r\n")
    for name, (file_name, file_type, content) in files.items():
        head = (
            f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"; filename="{file_name}"\r\n'
            f"Content-Type: {file_type}\r\n\r\n"
        )
        parts.append(head.encode() + content + b"\r\n")
    # The documents' curl names the file first.
    orders = (parts, parts[::-1])
    return [
        (b"".join(order) + f"--{boundary}--\r\n".encode(), f"multipart/form-data; boundary={boundary}")
        for order in orders
    ]


def upload(assets, metadata, file, is_file_first=False):
    body, content_type = form({"asset_metadata": json.dumps(metadata)}, {"asset": file})[is_file_first]
    status, _, answer = request("POST", f"{assets}/upload_asset", body, {"Content-Type": content_type})
    return status, json.loads(answer)


def sample(version):
    """The metadata of the documents' upload."""
    return {
        "asset_name": "SampleAsset",
        "asset_version": {"version": version, "tag": "initial"},
        "asset_metadata": {"description": "Sample asset upload", "type": "image"},
        "asset_tags": ["image", "sample"],
    }


def uploads(assets):
    """1. Upload Asset, 7. Get Asset Object"""
    content = bytes(range(256)) * 1000
    for version, is_file_first in (("1.0", True), ("2.0", False)):
        file = ("file.png", "image/png", content)
        status, body = upload(assets, sample(version), file, is_file_first)
        check((status, body.get("success")) == (201, True), "an upload is 201", (status, body))
        check(body["asset_uri"] == f"SampleAsset:{version}-initial", "the URI of an upload", body)
        expected = f"{assets}/asset-object/{body['asset_id']}"
        check(body["public_url"] == expected, "the public URL of an upload", body)
        for url in (body["public_url"], f"{assets}/asset-object/{urllib.parse.quote(body['asset_id'])}"):
            status, headers, downloaded = request("GET", url)
            check((status, downloaded) == (200, content), "a download gives the bytes back", (status, headers))
            check(headers.get_content_type() == "image/png", "a download has the file's type", headers)
            check(headers.get_content_disposition() == "attachment", "a download is an attachment", headers)
    status, body = upload(assets, {"asset_name": "x"}, ("file.png", "image/png", b""))
    check((status, body["success"]) == (400, False), "an upload without a version is 400", (status, body))
    check(bool(body["message"]), "an upload that is refused says why", body)
    body, content_type = form({"asset_metadata": json.dumps(sample("3.0"))}, {})[0]
    status, _, answer = request("POST", f"{assets}/upload_asset", body, {"Content-Type": content_type})
    check((status, json.loads(answer)["success"]) == (400, False), "an upload without a file is 400", answer)
    refused(404, "GET", f"{assets}/asset-object/{uuid.uuid4()}")
    return content


def documents(assets, content):
    """2. Get Asset, 3. Update Asset, 8. Upload an external asset"""
    url = f"{assets}/asset/SampleAsset:1.0-initial"
    asset = expect(200, "GET", url)["data"]
    check(set(asset) == ASSET_FIELDS, "the fields of an asset", asset)
    check(asset["asset_version"] == {"version": "1.0", "tag": "initial"}, "the version of an asset", asset)
    check(asset["asset_metadata"] == sample("1.0")["asset_metadata"], "the metadata of an asset", asset)
    check(asset["asset_tags"] == ["image", "sample"], "the tags of an asset", asset)
    check(asset["asset_public_url"] == f"{assets}/asset-object/{asset['asset_id']}", "the URL of an asset", asset)
    check(asset["asset_file_info"]["file_type"] == "image/png", "the type of the file", asset)
    check(asset["asset_file_info"]["file_size"] == len(content), "the size of the file", asset)
    check(asset["asset_file_info"]["sha256"] == hashlib.sha256(content).hexdigest(), "the checksum", asset)
    check(asset["assets_db_id"] != "", "the Assets DB of an asset", asset)
    changes = {"asset_metadata": {"description": "Updated asset description"}, "asset_tags": ["updated", "sample"]}
    check(expect(200, "PUT", url, changes)["data"]["message"] == "Asset updated", "what an update says")
    updated = expect(200, "GET", url)["data"]
    check(updated == {**asset, **changes}, "an update sets what it names and nothing else", updated)
    # What the old client did to change a leaf: the fields go to MongoDB's $set.
    expect(200, "PUT", url, {"asset_metadata.type": "image"})
    leaf = expect(200, "GET", url)["data"]["asset_metadata"]
    check(leaf == {"description": "Updated asset description", "type": "image"}, "a dotted update", leaf)
    # GET, edit, PUT: the whole document goes back.
    whole = expect(200, "GET", url)["data"]
    whole["asset_tags"] = ["sample", "image"]
    expect(200, "PUT", url, whole)
    check(expect(200, "GET", url)["data"] == whole, "a document that was read can be written")
    refused(404, "GET", f"{assets}/asset/NoAsset:1.0-initial")
    refused(404, "PUT", f"{assets}/asset/NoAsset:1.0-initial", changes)
    refused(404, "GET", f"{assets}/asset/NoAsset:1.0-initial")
    external = {
        "asset_name": "Sample Asset",
        "asset_version": {"version": "1.0", "tag": "initial"},
        "asset_metadata": {"description": "Sample asset for testing"},
        "asset_tags": ["test", "sample"],
    }
    made = expect(201, "POST", f"{assets}/asset", external)["data"]
    check(made["message"] == "Asset created" and isinstance(made["id"], str), "what a creation says", made)
    got = expect(200, "GET", f"{assets}/asset/{urllib.parse.quote('Sample Asset:1.0-initial')}")["data"]
    check({key: got[key] for key in external} == external, "an external asset comes back", got)
    elsewhere = {**external, "asset_name": "elsewhere", "asset_public_url": "https://example.com/model.bin"}
    expect(201, "POST", f"{assets}/asset", elsewhere)
    got = expect(200, "GET", f"{assets}/asset/elsewhere:1.0-initial")["data"]
    check(got["asset_public_url"] == "https://example.com/model.bin", "the URL of an external asset", got)


def queries(assets):
    """5. and 6. Query Assets"""
    def names(query):
        found = expect(200, "POST", f"{assets}/assets", query)["data"]
        check(all(set(asset) == ASSET_FIELDS for asset in found), "the fields of what is found", found)
        return sorted(asset["asset_uri"] for asset in found)

    versions = ["SampleAsset:1.0-initial", "SampleAsset:2.0-initial"]
    # As MongoDB does, a list and an object match exactly, their order included.
    check(names({"asset_tags": ["image", "sample"]}) == versions[1:], "a list matches exactly")
    check(names({"asset_tags": "sample", "asset_metadata": {"type": "image"}}) == [], "an object matches exactly")
    mongo = {
        "asset_tags": {"$in": ["sample", "image"]},
        "asset_metadata.type": "image",
        "asset_version.version": {"$gte": "1.0"},
    }
    check(names(mongo) == versions, "a MongoDB filter", names(mongo))
    check(names({**mongo, "asset_version.version": {"$gte": "1.5"}}) == versions[1:], "versions compare as text")
    check(len(names({})) == 4, "an empty filter matches all", names({}))
    check(names({"asset_name": "nothing"}) == [], "nothing found is an empty list")
    refused(400, "POST", f"{assets}/assets", {"$nonsense": 1})


def deletions(assets):
    """4. Delete Asset"""
    url = f"{assets}/asset/SampleAsset:1.0-initial"
    file = expect(200, "GET", url)["data"]["asset_public_url"]
    check(expect(200, "DELETE", url)["data"]["message"] == "Asset deleted", "what a deletion says")
    refused(404, "GET", url)
    refused(404, "DELETE", url)
    refused(404, "GET", file)


def health(url):
    """9. Health Check"""
    check(expect(200, "GET", f"{url}/health")["message"] == "healthy", "what a healthy service says")


def entries(registry, assets):
    """The registry: 1. Create, 2. Get, 3. Update, 3. Delete, 4. Query, 5. Check Health"""
    entry = {
        "asset_registry_name": "ResNet Models registry",
        "asset_registry_metadata": {
            "framework": "PyTorch", "version": "1.0", "author": "OpenAI", "license": "Apache-2.0",
        },
        "asset_registry_tags": ["image-classification", "deep-learning", "pytorch"],
        "asset_registry_public_url": assets,
    }
    made = expect(201, "POST", f"{registry}/asset_registry", entry)["data"]
    check(made["message"] == "Asset registry created" and made["id"] != "", "what a creation says", made)
    url = f"{registry}/asset_registry/{made['id']}"
    got = expect(200, "GET", url)["data"]
    check(set(got) == REGISTRY_FIELDS, "the fields of an entry", got)
    check(got == {**entry, "asset_registry_id": made["id"]}, "an entry comes back", got)
    query = {
        "$and": [
            {"asset_registry_tags": {"$in": ["deep-learning"]}},
            {"asset_registry_metadata.framework": "PyTorch"},
        ]
    }
    check(expect(200, "POST", f"{registry}/asset_registries", query)["data"] == [got], "a query finds the entry")
    healthy = expect(200, "GET", f"{registry}/check_health/{made['id']}")["data"]
    check(healthy["message"] == "healthy", "the health of an Assets DB", healthy)
    changes = {
        "asset_registry_metadata": {"framework": "TensorFlow", "version": "2.0"},
        "asset_registry_tags": ["neural-network", "tensorflow"],
    }
    check(expect(200, "PUT", url, changes)["data"]["message"] == "Asset registry updated", "what an update says")
    check(expect(200, "GET", url)["data"] == {**got, **changes}, "an update sets what it names")
    check(expect(200, "POST", f"{registry}/asset_registries", query)["data"] == [], "it is found no more")
    # An entry may name what does not answer, and the program that made its id keeps it.
    away = {**entry, "asset_registry_id": str(uuid.uuid4()), "asset_registry_public_url": "http://127.0.0.1:9/models"}
    made_away = expect(201, "POST", f"{registry}/asset_registry", away)["data"]
    check(made_away["id"] == away["asset_registry_id"], "the id of an entry is the client's", made_away)
    refused(502, "GET", f"{registry}/check_health/{away['asset_registry_id']}")
    check(expect(200, "DELETE", url)["data"]["message"] == "Asset registry deleted", "what a deletion says")
    for method, value in (("GET", None), ("PUT", changes), ("DELETE", None)):
        refused(404, method, url, value)
    refused(404, "GET", f"{registry}/check_health/{made['id']}")


def main():
    assets, registry = (url.rstrip("/") for url in sys.argv[1:])
    health(assets)
    content = uploads(assets)
    documents(assets, content)
    queries(assets)
    deletions(assets)
    health(registry)
    entries(registry, assets)
    print("all as documented")


main()
