"""One file a method, named as `method.kind` names it; what several share lies in the folder above."""
