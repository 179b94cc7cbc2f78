-- Ends what is overdue, so that viewers see it without waiting for the next request.
-- Answers where the show stands, and when there may be something to do again, ms.
if not epoch then return { 'NOT_LOADED' } end
commit()
return { 'DONE', epoch, version, text(due), revision }
