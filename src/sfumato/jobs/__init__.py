"""Jobs: photos or templates in, rows and rejects out, part by part, resumable.

A job says what is done (:class:`~sfumato.jobs.base.Job`); a runner where
(:mod:`~sfumato.jobs.local`, :mod:`~sfumato.jobs.on_ray`); a sink what becomes of it: one table
(:mod:`~sfumato.jobs.table`) or a folder of parts (:mod:`~sfumato.jobs.folder`).
"""
