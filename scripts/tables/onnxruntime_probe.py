#!/usr/bin/env python3
"""Asks a release of ONNX Runtime which operators its CPU provider computes: for every operator of
every operator set and every element type a model of that operator alone is loaded. Where the build
lists its kernels, operators with bodies and those of com.microsoft are read from there.

    pip install onnxruntime==1.17.3 'numpy<2' onnx==1.19.1
    python scripts/tables/onnxruntime_probe.py 20 FOLDER

20: the highest operator set that the release reads. Writes FOLDER/probe-1.17.3.json. Runs no model.
"""

import itertools
import json
import os
import sys

import onnx
from onnx import helper, defs, TensorProto
import onnxruntime as ort
ort.set_default_logger_severity(4)
R = ort.__version__
MAXOP = int(sys.argv[1])
NAME2 = {"tensor(float)":"FLOAT","tensor(double)":"DOUBLE","tensor(float16)":"FLOAT16","tensor(bfloat16)":"BFLOAT16","tensor(int8)":"INT8","tensor(uint8)":"UINT8","tensor(int16)":"INT16","tensor(uint16)":"UINT16","tensor(int32)":"INT32","tensor(uint32)":"UINT32","tensor(int64)":"INT64","tensor(uint64)":"UINT64","tensor(bool)":"BOOL","tensor(string)":"STRING"}
PREF = ["FLOAT","INT64","BOOL","INT32","UINT8","INT8","STRING","DOUBLE","FLOAT16","BFLOAT16","INT16","UINT16","UINT32","UINT64"]
OUT = {"FLOAT":"float32","DOUBLE":"float64","FLOAT16":"float16","BFLOAT16":"bfloat16","INT8":"int8","UINT8":"uint8","INT16":"int16","UINT16":"uint16","INT32":"int32","UINT32":"uint32","INT64":"int64","UINT64":"uint64","BOOL":"bool","STRING":"string"}
def attrs(s):
    r = {}
    for n, a in s.attributes.items():
        if not a.required: continue
        t = str(a.type).split(".")[-1]
        if n == "to" : r[n] = TensorProto.FLOAT
        elif n in ("direction",) and s.name=="BitShift": r[n] = "LEFT"
        elif n == "equation": r[n] = "ij->ij"
        elif n == "mode" and t == "STRING": r[n] = "TF"
        elif t == "INT": r[n] = 1
        elif t == "FLOAT": r[n] = 1.0
        elif t == "STRING": r[n] = "x"
        elif t == "INTS": r[n] = [1, 1]
        elif t == "FLOATS": r[n] = [1.0, 1.0]
        elif t == "STRINGS": r[n] = ["x"]
        else: return None
    if s.name == "Constant": r = {"value": helper.make_tensor("v", TensorProto.FLOAT, [1], [1.0])}
    return r
def types_of(s, ts):
    for c in s.type_constraints:
        if c.type_param_str == ts: return [NAME2[t] for t in c.allowed_type_strs if t in NAME2]
    return [NAME2[ts]] if ts in NAME2 else []
def build(s, asg):
    ins, vis = [], []
    for k, i in enumerate(s.inputs):
        o = str(i.option).split(".")[-1]
        if o == "Optional": break
        n = "i%d" % k; ins.append(n)
        t = asg.get(i.type_str) or types_of(s, i.type_str)[0]
        vis.append(helper.make_tensor_value_info(n, getattr(TensorProto, t), None))
    a = attrs(s)
    outs = ["o%d" % k for k, o in enumerate(s.outputs) if str(o.option).split(".")[-1] != "Optional"] or ["o0"]
    node = helper.make_node(s.name, ins, outs, **a)
    vos = []
    for k, o in enumerate(s.outputs):
        if k >= len(outs): break
        vo = onnx.ValueInfoProto(); vo.name = outs[k]
        vos.append(vo)
    g = helper.make_graph([node], "g", vis, vos)
    m = helper.make_model(g, opset_imports=[helper.make_opsetid("", s.since_version)], ir_version=7)
    return m.SerializeToString()
so = ort.SessionOptions(); so.log_severity_level = 4; so.intra_op_num_threads = 1
so.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
def attempt(s, asg):
    if not FORK: return attempt_(s, asg)
    r, w = os.pipe(); pid = os.fork()
    if pid == 0:
        os.write(w, attempt_(s, asg).encode()[:4000]); os._exit(0)
    os.close(w); t = os.read(r, 5000).decode(); os.close(r); os.waitpid(pid, 0)
    return t or "err:crash"
FORK = bool(os.environ.get("FORK"))
def attempt_(s, asg):
    try:
        b = build(s, asg)
    except Exception as e:
        return "build:" + str(e)[:100]
    try:
        ort.InferenceSession(b, so, providers=["CPUExecutionProvider"]); return "ok"
    except Exception as e:
        t = str(e)
        if "NOT_IMPLEMENTED" in t: return "none"
        if "Exception during initialization" in t or "RUNTIME_EXCEPTION" in t: return "ok"
        return "err:" + t[:160]
res = {}
skip = {"If","Loop","Scan","SequenceMap","Optional"}
for s in defs.get_all_schemas_with_history():
    if s.domain != "" or s.deprecated or s.since_version > MAXOP or s.name in skip: continue
    req = [i for i in s.inputs if str(i.option).split(".")[-1] != "Optional"]
    if any(not types_of(s, i.type_str) for i in req): continue
    if attrs(s) is None: continue
    vars_ = []
    for i in req:
        if i.type_str not in vars_: vars_.append(i.type_str)
    outv = [o.type_str for o in s.outputs]
    ok, why = [], {}
    if not vars_:
        r = attempt(s, {}); res["%s@%d" % (s.name, s.since_version)] = {"ok": ["-"] if r == "ok" else [], "why": r}; continue
    first = vars_[0]
    for t in sorted(types_of(s, first), key=PREF.index):
        others = [sorted(types_of(s, v), key=PREF.index)[:6] for v in vars_[1:]]
        got = None
        for combo in itertools.islice(itertools.product(*others), 24):
            r = attempt(s, dict(zip(vars_, (t,) + combo)))
            if r == "ok": got = r; break
            if got is None or got == "none": got = r
        if got == "ok": ok.append(OUT[t])
        else: why[OUT[t]] = got
    res["%s@%d" % (s.name, s.since_version)] = {"ok": ok, "why": why}
found = {}
for key, result in res.items():
    name, version = key.split("@")
    why = result["why"].values() if isinstance(result["why"], dict) else [result["why"]]
    # What failed for another reason than a missing kernel was not asked.
    if result["ok"] or "none" in why:
        found[f"ai.onnx|{name}|{version}"] = result["ok"]
from onnxruntime.capi import onnxruntime_pybind11_state as state  # noqa: E402

if hasattr(state, "get_all_opkernel_def"):
    versions = {}
    for schema in defs.get_all_schemas_with_history():
        versions.setdefault((schema.domain, schema.name), set()).add(schema.since_version)
    for kernel in state.get_all_opkernel_def():
        if kernel.provider != "CPUExecutionProvider":
            continue
        first, last = kernel.version_range
        if kernel.domain == "com.microsoft":
            found[f"com.microsoft|{kernel.op_name}|1"] = ["kernel"]
        elif kernel.domain in ("", "ai.onnx.ml"):
            for version in versions.get((kernel.domain, kernel.op_name), ()):
                open_ended = last == 2**31 - 1
                if version == first or (not open_ended and first <= version <= last):
                    found.setdefault(f"{kernel.domain or 'ai.onnx'}|{kernel.op_name}|{version}", ["kernel"])
with open(os.path.join(sys.argv[2], f"probe-{R}.json"), "w") as file:
    json.dump(found, file)
